-- One hit on any number of keys, all or nothing: the same algorithms as algorithms.py, name for name.
-- KEYS: one for each rule. ARGV: time in µs ('' asks Redis' own clock), lease, then eight words for each rule.
-- Numbers are whole and below 2^52, where Lua's are exact. Answers five numbers for each rule; times in µs.
local lease = ARGV[2]
local time = redis.call('TIME')
local micros = ARGV[1] ~= '' and tonumber(ARGV[1]) or time[1] * 1000000 + time[2]
local floor, max = math.floor, math.max

local function text(number) return string.format('%.0f', number) end
local function ceil(a, b) return -floor(-a / b) end

local function numbers(key)
  local found = {}
  for word in string.gmatch(redis.call('GET', key) or '', '%S+') do found[#found + 1] = tonumber(word) end
  return found
end

-- A state of numbers, kept as text for `keep` ticks.
local function keep(key, n, ticks, ...)
  local words = {}
  for i, number in ipairs({...}) do words[i] = text(number) end
  if #words == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, table.concat(words, ' '), 'PX', text(max(1000, ceil((ticks + 1) * n.tick, 1000))))
  end
end

local steps = {}

steps['fixed-window'] = function(key, n, now, take, need)
  local state = numbers(key)
  local window, used = state[1] or 0, state[2] or 0
  if floor(now / n.period) > window then window, used = floor(now / n.period), 0 end
  local ends = (window + 1) * n.period - now
  local ok = used + need <= n.limit
  if ok then used = used + take end
  local function save()
    if used > 0 then keep(key, n, ends, window, used) else keep(key, n, 0) end
  end
  return ok, n.limit - used, used > 0 and ends or 0, ok and 0 or ends, 0, save
end

-- A list of 'time sum cost', oldest first; `sum` counts from the beginning of time.
steps['sliding-log'] = function(key, n, now, take, need)
  local function entry(at)
    local t, sum, size = string.match(redis.call('LINDEX', key, at), '(%S+) (%S+) (%S+)')
    return tonumber(t), tonumber(sum), tonumber(size)
  end
  -- The first place from `low` on where `test(entry)` holds; `count` where it does nowhere.
  local count = redis.call('LLEN', key)
  local function first(low, test)
    local high = count
    if low < high and test(entry(low)) then return low end -- as it is most of the time
    while low < high do
      local middle = floor((low + high) / 2)
      if test(entry(middle)) then high = middle else low = middle + 1 end
    end
    return low
  end
  local late, total, before, gone = 0, 0, 0, 0
  if count > 0 then
    local last, sum = entry(-1)
    late, total = max(0, last - now), sum
    now = now + late
    gone = first(0, function(t) return t > now - n.period end)
    before = total
    if gone < count then
      local _, sum, size = entry(gone)
      before = sum - size
    end
  end
  local used = total - before
  local function until_(free)
    local ends = entry(first(gone, function(_, sum) return sum >= used + free - n.limit + before end))
    return ends + n.period - now + late
  end
  local ok = used + need <= n.limit
  local retry = ok and 0 or until_(need)
  local reset = used > 0 and until_(n.limit - used + 1) or 0
  if not ok or take == 0 then return ok, n.limit - used, reset, retry, 0, function() end end
  local function save()
    if gone > 0 then redis.call('LTRIM', key, gone, -1) end
    redis.call('RPUSH', key, text(now) .. ' ' .. text(total + take) .. ' ' .. text(take))
    redis.call('PEXPIRE', key, text(max(1000, ceil((n.period + late + 1) * n.tick, 1000))))
  end
  return ok, n.limit - used - take, used > 0 and reset or n.period + late, 0, 0, save
end

steps['sliding-counter'] = function(key, n, now, take, need)
  local state = numbers(key)
  local window, used, before = state[1] or 0, state[2] or 0, state[3] or 0
  local this = floor(now / n.period)
  if this > window then
    before = this == window + 1 and used or 0
    window, used = this, 0
  end
  local start = window * n.period
  local spent = max(0, now - start)
  local function until_(free)
    local room, at = n.limit - used - free, 0
    if room >= 0 then
      if before > 0 then at = n.period - floor(room * n.period / before) end
    else
      at = 2 * n.period - floor((n.limit - free) * n.period / used)
    end
    return max(0, start + at - now)
  end
  local ok = before * (n.period - spent) + (used + need) * n.period <= n.limit * n.period
  local retry = ok and 0 or until_(need)
  if ok then used = used + take end
  local remaining = floor(((n.limit - used) * n.period - before * (n.period - spent)) / n.period)
  local reset = remaining < n.limit and until_(remaining + 1) or 0
  local function save()
    if used > 0 or before > 0 then
      keep(key, n, start + 2 * n.period - now, window, used, before)
    else
      keep(key, n, 0)
    end
  end
  return ok, remaining, reset, retry, 0, save
end

steps['token-bucket'] = function(key, n, now, take, need)
  local state = numbers(key)
  local full = n.burst * n.one
  local level, last = state[1] or full, state[2] or now
  local late = max(0, last - now)
  now = now + late
  local function until_(free) return ceil(free * n.one - level, n.flow) + late end
  if now - last >= until_(n.burst) - late then level = full else level = level + (now - last) * n.flow end
  local ok = level >= need * n.one
  local retry = ok and 0 or until_(need)
  if ok then level = level - take * n.one end
  local remaining = floor(level / n.one)
  local reset = remaining < n.burst and until_(remaining + 1) or 0
  local function save()
    if level < full then keep(key, n, until_(n.burst), level, now) else keep(key, n, 0) end
  end
  return ok, remaining, reset, retry, 0, save
end

-- GCRA and the leaky bucket both keep a point in time: when the next arrival is due, when the next place is free.
local function ahead_of(key, n, now)
  local state = numbers(key)
  if not state[1] or state[1] < now then return 0 end
  return (state[1] - now) * n.flow + state[2]
end

local function keep_point(key, n, now, ahead)
  if ahead == 0 then return keep(key, n, 0) end
  local ticks = floor(ahead / n.flow)
  keep(key, n, ticks + 1, now + ticks, ahead - ticks * n.flow)
end

steps['gcra'] = function(key, n, now, take, need)
  local ahead, tolerance = ahead_of(key, n, now), n.burst * n.one
  local function until_(free) return ceil(ahead + free * n.one - tolerance, n.flow) end
  local ok = ahead + need * n.one <= tolerance
  local retry = ok and 0 or until_(need)
  if ok then ahead = ahead + take * n.one end
  local remaining = floor(max(0, tolerance - ahead) / n.one)
  local reset = remaining < n.burst and until_(remaining + 1) or 0
  return ok, remaining, reset, retry, 0, function() keep_point(key, n, now, ahead) end
end

steps['leaky-bucket'] = function(key, n, now, take, need)
  local ahead, room = ahead_of(key, n, now), n.burst * n.one
  local function until_(more) return ceil(ahead + (more - 1) * n.one - room, n.flow) end
  local ok = ahead + (need - 1) * n.one <= room
  local retry = ok and 0 or until_(need)
  local delay = ok and ceil(ahead, n.flow) or 0
  if ok then ahead = ahead + take * n.one end
  local remaining = ahead <= room and floor((room - ahead) / n.one) + 1 or 0
  local reset = remaining <= n.burst and until_(remaining + 1) or 0
  return ok, remaining, reset, retry, delay, function() keep_point(key, n, now, ahead) end
end

-- A sorted set of leases, which begin with their cost, by their ends.
steps['concurrency'] = function(key, n, now, take, need)
  local inside = redis.call('ZRANGE', key, '(' .. text(now), '+inf', 'BYSCORE', 'WITHSCORES')
  local used = 0
  for i = 1, #inside, 2 do used = used + tonumber(string.match(inside[i], '^%d+')) end
  local function until_(free)
    local left = used
    for i = 1, #inside, 2 do
      left = left - tonumber(string.match(inside[i], '^%d+'))
      if left + free <= n.limit then return tonumber(inside[i + 1]) - now end
    end
  end
  local ok = used + need <= n.limit
  local retry = ok and 0 or until_(need)
  local first = inside[2] and tonumber(inside[2]) - now or 0
  if not ok or take == 0 then return ok, n.limit - used, first, retry, 0, function() end end
  local function save()
    redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
    redis.call('ZADD', key, text(now + n.period), text(take) .. ':' .. lease)
    redis.call('PEXPIRE', key, text(max(1000, ceil((n.period + 1) * n.tick, 1000))))
  end
  return ok, n.limit - used - take, inside[2] and math.min(first, n.period) or n.period, 0, 0, save
end

local answer, saves, all = {}, {}, true

-- Runs each rule's algorithm with its cost, or with one that takes nothing.
local function each(counting, run)
  for i, key in ipairs(KEYS) do
    local at = 2 + (i - 1) * 8
    local cost = tonumber(ARGV[at + 2])
    local n = {
      limit = tonumber(ARGV[at + 3]), period = tonumber(ARGV[at + 4]), burst = tonumber(ARGV[at + 5]),
      flow = tonumber(ARGV[at + 6]), one = tonumber(ARGV[at + 7]), tick = tonumber(ARGV[at + 8]),
    }
    local take = counting and cost or 0
    run(i, n, steps[ARGV[at + 1]](key, n, floor(micros / n.tick), take, max(cost, 1)))
    if take == 0 then saves[i] = false end
  end
end

local function note(i, n, ok, remaining, reset, retry, delay, save)
  local inside = micros % n.tick
  local function micro(ticks) return ticks > 0 and ticks * n.tick - inside or 0 end
  local at = (i - 1) * 5
  answer[at + 1], answer[at + 2] = ok and 1 or 0, remaining
  answer[at + 3], answer[at + 4], answer[at + 5] = micro(reset), micro(retry), micro(delay)
  saves[i] = save
  all = all and ok
end

each(true, note)
if all then
  for _, save in ipairs(saves) do if save then save() end end
elseif #KEYS > 1 then
  -- Nothing is counted: those that would have been admitted tell what is there without this hit.
  each(false, function(i, n, _, remaining, reset)
    local ok, retry = answer[(i - 1) * 5 + 1] == 1, answer[(i - 1) * 5 + 4]
    note(i, n, ok, remaining, reset, 0, 0, nil)
    answer[(i - 1) * 5 + 4] = retry
  end)
end
return answer
