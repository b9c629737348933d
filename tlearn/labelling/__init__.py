"""Labels: which look wrong, which photos belong to no class, which to label next.

All three are read off frozen features, which are computed once and kept where `finetune` and
`shortlist` find them. Nothing that is found here steers a training; a person decides, by a table of
corrections. See docs/labels.md.
"""

__all__: list[str] = []
