"""Tables as matplotlib figures, and a figure as SVG that follows a page's light and dark theme."""

__all__: list[str] = []
