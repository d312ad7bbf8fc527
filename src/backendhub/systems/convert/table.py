"""The frozen table of units, as one text that is parsed only as far as a conversion needs.

    [category] dimensions                    L length, M mass, T time, I current, K temperature, N amount,
                                             J luminous intensity, D data, A angle
    names = definition + zero ~ UK names     the first name is the symbol, the second what it is called

A definition is a product of numbers, units and `pi`, coherent with SI: the factor to metres, kilograms, seconds.
`*` in front lets a unit take SI prefixes, `+` the large and the binary ones. `zero` is where an affine scale
has its zero, in kelvins. The names after `~` mean this unit under `--uk`. Plural names in -s need no mention.
Definitions are the exact ones (NIST SP 811 and 1038, the UK Units of Measurement Regulations 1995, SI brochure)
except the dalton, hartree and rydberg, which are measured (CODATA 2022).
"""

from __future__ import annotations

TABLE = """
[length] L
*m metre meter = 1
in inch inches " ″ = 0.0254 m
ft foot feet ' ′ = 12 in
yd yard = 3 ft
mi mile statute_mile = 1760 yd
nmi nautical_mile NM = 1852 m
mil thou = 1/1000 in
hand = 4 in
link = 66/100 ft
rod pole perch = 33/2 ft
ch chain = 66 ft
fur furlong = 660 ft
league = 3 mi
ftm fathom = 6 ft
cable = 1/10 nmi
sft survey_foot survey_feet us_survey_foot us_survey_feet = 1200/3937 m
pt point = 1/72 in
pica = 1/6 in
px pixel = 1/96 in
au astronomical_unit AU = 149597870700 m
ly light_year lightyear = 9460730472580800 m
*pc parsec = 648000 au/pi
micron = 1/1000000 m
Å angstrom ångström = 1e-10 m

[mass] M
*g gram gramme gm = 1/1000
mcg = 1 µg
t tonne metric_ton metric_tonne = 1000 kg
kt kilotonne = 1000 t
Mt megatonne = 1e6 t
Gt gigatonne = 1e9 t
lb pound lbm = 0.45359237 kg
oz ounce = 1/16 lb
dr dram = 1/16 oz
gr grain = 1/7000 lb
st stone = 14 lb
short_ton us_ton = 2000 lb
long_ton imperial_ton uk_ton = 2240 lb
cwt hundredweight short_hundredweight = 100 lb
ukcwt long_hundredweight = 112 lb ~ cwt hundredweight
slug = lbf s^2/ft
ozt troy_ounce troy_oz = 480 gr
lbt troy_pound = 5760 gr
dwt pennyweight = 24 gr
ct carat = 1/5 g
quintal = 100 kg
Da dalton u amu = 1.66053906892e-27 kg

[temperature] K
*K kelvin = 1
C celsius °C ℃ degC centigrade degree_celsius degrees_celsius = 1 K + 273.15
F fahrenheit °F ℉ degF degree_fahrenheit degrees_fahrenheit = 5/9 K + 45967/180
R rankine °R Ra degR = 5/9 K
Re réaumur °Re reaumur = 5/4 K + 273.15
Ro rømer °Rø romer = 40/21 K + 36241/140
De delisle °De = -2/3 K + 373.15

[area] L2
are = 100 m^2
ha hectare = 10000 m^2
ac acre = 43560 ft^2
rood = 1/4 acre
section = 1 mi^2
m2 sqm = m^2
km2 sqkm = km^2
cm2 sqcm = cm^2
mm2 sqmm = mm^2
ft2 sqft = ft^2
in2 sqin = in^2
yd2 sqyd = yd^2
mi2 sqmi = mi^2
dunam = 1000 m^2
barn = 1e-28 m^2

[volume] L3
*L litre liter l = 1/1000 m^3
gal gallon us_gallon usgal = 231 in^3
qt quart us_quart usqt = 1/4 gal
pt pint us_pint uspt = 1/8 gal
cup us_cup = 1/16 gal
gi gill us_gill = 1/32 gal
floz fl_oz fluid_ounce us_floz us_fl_oz = 1/128 gal
tbsp tablespoon us_tablespoon = 1/256 gal
tsp teaspoon us_teaspoon = 1/768 gal
fldr fluid_dram = 1/1024 gal
ukgal imperial_gallon uk_gallon impgal = 4.54609 L ~ gal gallon
ukqt imperial_quart uk_quart = 1/4 ukgal ~ qt quart
ukpt imperial_pint uk_pint = 1/8 ukgal ~ pt pint
ukcup imperial_cup uk_cup = 1/16 ukgal ~ cup
ukgi imperial_gill uk_gill = 1/32 ukgal ~ gi gill
ukfloz imperial_fluid_ounce uk_floz uk_fl_oz uk_fluid_ounce = 1/160 ukgal ~ floz fl_oz fluid_ounce
uktbsp metric_tablespoon uk_tablespoon = 15 mL ~ tbsp tablespoon
uktsp metric_teaspoon uk_teaspoon = 5 mL ~ tsp teaspoon
ukfldr imperial_fluid_dram = 1/1280 ukgal ~ fldr fluid_dram
metric_cup = 250 mL
bbl barrel oil_barrel = 42 gal
ukbbl imperial_barrel uk_barrel = 36 ukgal ~ bbl barrel
bu bushel = 2150.42 in^3
ukbu imperial_bushel uk_bushel = 8 ukgal ~ bu bushel
pk peck = 1/4 bu
drypt dry_pint = 1/64 bu
dryqt dry_quart = 1/32 bu
acft acre_foot acre_feet = acre ft
bdft board_foot board_feet = 144 in^3
cord = 128 ft^3
cm3 cc = cm^3
m3 cbm stere = m^3
ft3 cuft cf = ft^3
in3 cuin = in^3
yd3 cuyd = yd^3

[time] T
*s second sec = 1
min minute = 60 s
h hour hr = 60 min
d day = 24 h
wk week = 7 d
fortnight = 14 d
yr year y julian_year = 365.25 d
mo month = 1/12 yr
decade = 10 yr
century centuries = 100 yr
millennium millennia = 1000 yr

[speed] L T-1
m/s mps metre_per_second meter_per_second = m/s
km/h kph kmh kmph = km/h
mph mi/h mile_per_hour = mi/h
kn knot kt = nmi/h
fps ft/s = ft/s
lightspeed speed_of_light = 299792458 m/s

[pace] L-1 T
min/km = min/km
min/mi = min/mi

[acceleration] L T-2
m/s2 m/s^2 = m/s^2
gn standard_gravity g0 gee = 9.80665 m/s^2
galileo = cm/s^2
ft/s2 ft/s^2 = ft/s^2

[force] M L T-2
*N newton = 1
lbf pound_force = lb gn
kgf kilogram_force kp kilopond = kg gn
gf gram_force = g gn
ozf ounce_force = oz gn
kip = 1000 lbf
tonf short_ton_force = 2000 lbf
dyn dyne = 1/100000 N
pdl poundal = lb ft/s^2

[pressure] M L-1 T-2
*Pa pascal = 1
*bar = 100000 Pa
atm atmosphere = 101325 Pa
at technical_atmosphere = kgf/cm^2
psi lbf/in2 = lbf/in^2
ksi = 1000 psi
psf lbf/ft2 = lbf/ft^2
*Torr torr = 1/760 atm
mmHg = 133.322387415 Pa
inHg = 254/10 mmHg
mmH2O = 9.80665 Pa
cmH2O = 98.0665 Pa
inH2O = 249.08891 Pa

[energy] M L2 T-2
*J joule = 1
*Wh watt_hour = 3600 J
*cal calorie = 4.184 J
Cal food_calorie large_calorie = 1 kcal
calIT international_calorie = 4.1868 J
*eV electronvolt electron_volt = 1.602176634e-19 J
BTU Btu british_thermal_unit = 1055.05585262 J
thm therm = 100000 BTU
erg = 1e-7 J
ftlbf foot_pound ft_lbf ft_lb ftlb foot_pounds_force = ft lbf
hph horsepower_hour = hp h
tTNT ton_of_tnt = 4.184e9 J
ktTNT kiloton_of_tnt = 4.184e12 J
MtTNT megaton_of_tnt = 4.184e15 J
toe tonne_of_oil_equivalent = 4.1868e10 J
Eh hartree = 4.3597447222060e-18 J
Ry rydberg = 1/2 Eh

[power] M L2 T-3
*W watt = 1
hp horsepower = 550 ft lbf/s
PS metric_horsepower = 75 m kgf/s
BTU/h btuh = BTU/h
TR ton_of_refrigeration = 12000 BTU/h

[torque] M L2 T-2
*Nm newton_metre newton_meter N·m N.m N*m = 1
lbft pound_foot pound_feet lb_ft lbf_ft lbf·ft lbf*ft ft·lbf ft*lbf ft_lb ft_lbf ftlb ftlbf foot_pound = lbf ft
inlb inch_pound in_lb in_lbf lbf_in lbf·in lbf*in = lbf in
ozin ounce_inch oz_in ozf·in ozf*in = ozf in
kgfm kgf_m kgf·m kgf*m = kgf m
kgfcm kgf_cm kgf·cm kgf*cm = kgf cm

[data] D
+b bit = 1
+B byte octet = 8 b
nibble = 4 b

[data rate] D T-1
+bps bit/s b/s = b/s
+Bps byte/s B/s = B/s

[angle] A
*rad radian = 1
° degree deg = 1/180 pi
arcmin arcminute moa = 1/60 deg
*arcsec arcsecond = 1/3600 deg
gon grad gradian = 1/200 pi
turn revolution rev circle = 2 pi
quadrant = 1/2 pi
nato_mil angular_mil = 1/6400 turn

[angular speed] A T-1
rad/s = rad/s
deg/s = deg/s
rpm rev/min revolution_per_minute = turn/min
rps rev/s = turn/s

[frequency] T-1
*Hz hertz cps = 1
rpm revolution_per_minute bpm = 1/60 Hz

[fuel economy] L-2
mpg mile_per_gallon mi/gal = mi/gal
ukmpg imperial_mpg impmpg uk_mpg = mi/ukgal ~ mpg mile_per_gallon mi/gal
km/L kmpl kilometre_per_litre kilometer_per_liter km/l = km/L
mi/L mi/l = mi/L

[fuel economy] L2
L/100km l/100km litre_per_100km liter_per_100km = 1/100 L/km
gal/100mi gallon_per_100mi = 1/100 gal/mi
ukgal/100mi = 1/100 ukgal/mi ~ gal/100mi gallon_per_100mi

[density] M L-3
kg/m3 kg/m^3 = kg/m^3
g/cm3 g/cc g/mL g/ml g/cm^3 = g/cm^3
kg/L kg/l = kg/L
lb/ft3 pcf lb/ft^3 = lb/ft^3
lb/in3 lb/in^3 = lb/in^3
lb/gal ppg = lb/gal
lb/ukgal = lb/ukgal ~ lb/gal ppg

[flow] L3 T-1
m3/s cumec m^3/s = m^3/s
m3/h m^3/h = m^3/h
L/s l/s lps = L/s
L/min l/min lpm = L/min
gpm gal/min = gal/min
ukgpm = ukgal/min ~ gpm gal/min
cfm ft3/min ft^3/min = ft^3/min
cfs cusec ft3/s ft^3/s = ft^3/s
bpd bbl/d = bbl/d

[mass flow] M T-1
kg/s = kg/s
kg/h = kg/h
lb/h pph = lb/h
lb/min = lb/min

[dynamic viscosity] M L-1 T-1
Pa·s pascal_second Pa*s Pa.s = Pa s
*P poise = 1/10 Pa s
reyn = psi s

[kinematic viscosity] L2 T-1
m2/s m^2/s = m^2/s
*St stokes = cm^2/s

[current] I
*A ampere amp = 1

[charge] I T
*C coulomb = 1
*Ah ampere_hour amp_hour = A h

[voltage] M L2 T-3 I-1
*V volt = 1

[resistance] M L2 T-3 I-2
*Ω ohm = 1

[conductance] M-1 L-2 T3 I2
*S siemens mho = 1

[capacitance] M-1 L-2 T4 I2
*F farad = 1

[inductance] M L2 T-2 I-2
*H henry henries = 1

[magnetic flux] M L2 T-2 I-1
*Wb weber = 1
Mx maxwell = 1e-8 Wb

[magnetic flux density] M T-2 I-1
*T tesla = 1
*G gauss = 1/10000 T

[magnetic field strength] I L-1
A/m = A/m
Oe oersted = 250 A/m/pi

[luminous intensity] J
*cd candela = 1

[luminous flux] J
*lm lumen = 1

[illuminance] J L-2
*lx lux = 1
fc footcandle foot_candle lm/ft2 = lm/ft^2

[luminance] J L-2
cd/m2 nit cd/m^2 = cd/m^2
fL foot_lambert footlambert = cd/ft^2/pi

[radioactivity] T-1
*Bq becquerel = 1
*Ci curie = 3.7e10 Bq

[absorbed dose] L2 T-2
*Gy gray = 1
*rad = 1/100 Gy

[equivalent dose] L2 T-2
*Sv sievert = 1
rem = 1/100 Sv

[exposure] M-1 I T
C/kg = A s/kg
*roentgen röntgen = 2.58e-4 A s/kg

[amount of substance] N
*mol mole = 1
lbmol pound_mole = 453.59237 mol

[concentration] N L-3
mol/m3 mol/m^3 = mol/m^3
*M molar mol/L mol/l = mol/L

[catalytic activity] N T-1
*kat katal = 1
U enzyme_unit = 1/60 µkat

[ratio]
ratio fraction = 1
% percent = 1/100
‰ permille = 1/1000
bp basis_point = 1/10000
ppm = 1e-6
ppb = 1e-9
dozen = 12
score = 20
gross = 144
"""
