"""A trained run as a service: TensorFlow Serving's REST interface, file uploads, and a page to try it.

Built on Starlette and uvicorn, the extra `serve`. `settings` and `finding` know neither of these nor
TensorFlow, so that what is wrong with a command is told before any of them is loaded.
"""

__all__: list[str] = []
