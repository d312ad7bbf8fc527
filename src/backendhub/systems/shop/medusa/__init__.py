"""Medusa v2: the Store API for shops in browsers and apps, a part of the Admin API for who works there."""
