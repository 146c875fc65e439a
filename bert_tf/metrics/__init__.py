"""Figures of an evaluation: pure functions of all outputs, in the examples' order.

Every figure is a fraction between 0 and 1 unless its docstring gives another range or
unit. None depends on how outputs were batched or on the order of the examples, beyond
rounding. scikit-learn and its like are loaded when a figure needs them, not on import.
"""
