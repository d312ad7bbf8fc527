"""`python -m backendhub` is `backendhub`."""

from backendhub.app.main import run

if __name__ == "__main__":
    run()
