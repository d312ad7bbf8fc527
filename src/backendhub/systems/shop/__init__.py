"""A shop that cannot sell what it does not have: catalogue, carts, orders; Medusa's Store API and UCP checkout."""
