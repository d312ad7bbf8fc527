"""A cinema: films, halls, shows, seats that are sold once, tickets that are scanned once; speaks the seats.io wire."""
