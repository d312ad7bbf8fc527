"""Convert units and currencies, exactly."""
