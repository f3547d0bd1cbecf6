"""Pure functions over what a store holds: percents drawn from the clock, rates and finish times."""
