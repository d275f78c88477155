"""What the operator tells of its work: traces of judgements, its own metrics, health, logs.

Not here: any decision. Everything told of a release is derived from the Release itself, so a restart
loses and doubles nothing.
"""
