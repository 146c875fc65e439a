"""Decoding: how a model's scores of the next token become sequences.

Shapes: B texts, K beams, R rows that the model sees at once (B, or B * K), P places of
the longest prompt, T new tokens at most, V vocabulary. A history is int32 `[R, P + T]`:
the prompt, at the right end of its P places, and the new tokens so far, `EMPTY` where
there is none. So the step of the loop says for all rows where the next token goes.
"""
