"""The words around units: prefixes, names that nobody should guess, and what a wrong name was meant to be."""

from __future__ import annotations

SMALL = (
    ("q", "quecto", -30), ("r", "ronto", -27), ("y", "yocto", -24), ("z", "zepto", -21), ("a", "atto", -18),
    ("f", "femto", -15), ("p", "pico", -12), ("n", "nano", -9), ("µ", "micro", -6), ("μ", "micro", -6),
    ("u", "micro", -6), ("m", "milli", -3), ("c", "centi", -2), ("d", "deci", -1), ("da", "deca", 1),
    ("da", "deka", 1), ("h", "hecto", 2),
)  # fmt: skip
LARGE = (
    ("k", "kilo", 3), ("M", "mega", 6), ("G", "giga", 9), ("T", "tera", 12), ("P", "peta", 15),
    ("E", "exa", 18), ("Z", "zetta", 21), ("Y", "yotta", 24), ("R", "ronna", 27), ("Q", "quetta", 30),
)  # fmt: skip
# `K` is not the SI symbol, but what everybody writes for thousands of bits and bytes.
BINARY = (
    ("K", "kilo", 3), ("Ki", "kibi", 10), ("Mi", "mebi", 20), ("Gi", "gibi", 30), ("Ti", "tebi", 40),
    ("Pi", "pebi", 50), ("Ei", "exbi", 60), ("Zi", "zebi", 70), ("Yi", "yobi", 80), ("Ri", "robi", 90),
    ("Qi", "quebi", 100),
)  # fmt: skip

AMBIGUOUS = {
    "ton": ("short_ton", "long_ton", "tonne"),
    "tons": ("short_ton", "long_ton", "tonne"),
}
"""Names that mean different things to different people, everywhere: never guessed."""

RECIPROCAL = (
    {"fuel economy"},
    {"speed", "pace"},
    {"time", "frequency"},
    {"resistance", "conductance"},
)
"""Categories whose units measure the same thing upside down."""

# What a name is often mistaken for: (name, category wanted) → the unit that was meant.
MEANT = {
    ("oz", "volume"): "floz", ("ounce", "volume"): "floz", ("floz", "mass"): "oz", ("lb", "force"): "lbf",
    ("kg", "force"): "kgf", ("lbf", "mass"): "lb", ("kgf", "mass"): "kg", ("kW", "energy"): "kWh",
    ("kWh", "power"): "kW", ("W", "energy"): "Wh", ("Wh", "power"): "W", ("MB", "data rate"): "MB/s",
    ("Mbps", "data"): "Mb", ("km", "speed"): "km/h", ("mi", "speed"): "mph", ("m", "area"): "m2",
    ("ft", "area"): "ft2", ("m", "volume"): "m3", ("ft", "volume"): "ft3", ("lb", "pressure"): "psi",
    ("lb", "torque"): "lbft", ("N", "torque"): "Nm", ("dr", "volume"): "fldr",
}  # fmt: skip
WHY = {
    frozenset(
        ("mass", "volume")
    ): "mass vs volume: what a volume weighs depends on what is in it (its density)",
    frozenset(("mass", "force")): "mass vs force: a weight is a mass times gravity",
    frozenset(("power", "energy")): "power vs energy: energy is power times time (kWh, not kW)",
    frozenset(("data", "data rate")): "data vs data rate: a rate is data per second",
    frozenset(("length", "area")): "length vs area: an area is a length times a length",
    frozenset(("length", "volume")): "length vs volume: a volume is three lengths multiplied",
    frozenset(("length", "speed")): "length vs speed: a speed is a length per time",
    frozenset(("energy", "torque")): "energy vs torque: the same dimensions, different quantities",
    frozenset(("volume", "flow")): "volume vs flow: a flow is a volume per time",
}
