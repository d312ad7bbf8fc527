"""Words that say what an entry was for, where nothing has been learned yet. Singular; a plural s is allowed."""

from __future__ import annotations

SPENDING = {
    "groceries": (
        "grocery supermarket greengrocer bakery butcher market aldi lidl tesco sainsbury asda morrisons waitrose "
        "walmart kroger safeway publix costco carrefour auchan leclerc intermarche rewe edeka penny kaufland netto "
        "spar migros coop mercadona billa biedronka albertsons wegmans waitrose|whole foods|trader joe"
    ),
    "food": (
        "lunch dinner breakfast brunch restaurant cafe coffee pizza pizzeria burger sushi takeaway takeout snack "
        "bistro diner kebab bar pub starbucks costa mcdonald kfc subway chipotle domino nando pret deliveroo "
        "doordash grubhub lieferando|uber eats|just eat|burger king|taco bell|ice cream"
    ),
    "transport": (
        "taxi cab uber lyft bolt bus train tram metro railway parking fuel petrol gasoline diesel toll shell "
        "esso chevron exxon texaco aral sncf trenitalia renfe amtrak tfl mta bvg carwash|bike share|car wash|gas station"
    ),
    "housing": "rent mortgage landlord furniture ikea plumber electrician locksmith|home depot|estate agent",
    "utilities": (
        "electricity water heating internet broadband phone mobile vodafone verizon telekom comcast electric utility "
        "sewage|t mobile|gas bill|power bill|phone bill|council tax"
    ),
    "leisure": (
        "cinema movie theatre theater concert museum netflix spotify disney hulu hbo steam playstation xbox nintendo "
        "game gym fitness book bookshop ticket ticketmaster twitch audible hobby|youtube premium|prime video"
    ),
    "electronics": (
        "laptop computer monitor keyboard headphone smartphone charger camera tablet mediamarkt currys|best buy|"
        "apple store|micro center"
    ),
    "clothing": "clothes clothing shoe shirt jeans dress jacket zara primark uniqlo zalando asos nike adidas",
    "health": (
        "pharmacy doctor dentist hospital clinic medicine optician physiotherapy therapist drugstore apotheke cvs "
        "walgreens boots vitamin prescription|health care"
    ),
    "travel": "hotel hostel flight airline airbnb booking expedia ryanair easyjet lufthansa luggage|rental car|car rental",
    "education": "tuition school university course udemy coursera textbook exam kindergarten|evening class",
    "insurance": "insurance allianz axa aviva geico",
    "fees": "fee interest fine penalty surcharge overdraft|bank charge",
    "gifts": "gift donation charity present flower florist|red cross",
    "taxes": "tax irs hmrc finanzamt",
}
EARNING = {
    "salary": "salary payroll wage paycheck payslip bonus stipend",
    "interest": "interest dividend",
    "sales": "sale invoice ebay etsy vinted",
    "pension": "pension annuity",
    "gifts": "gift",
}


def phrases(income: bool) -> list[tuple[str, str]]:
    """(phrase, category), longest phrase first."""
    found = []
    for category, text in (EARNING if income else SPENDING).items():
        single, *several = text.split("|")
        found += [(phrase, category) for phrase in (*single.split(), *several) if phrase]
    return sorted(found, key=lambda pair: (-len(pair[0]), pair))
