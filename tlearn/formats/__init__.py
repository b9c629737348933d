"""A run for other runtimes than Keras's: converted, labelled, and proven on its test photos.

| | |
| --- | --- |
| `kinds` | the table of formats, and what is refused up front |
| `network`, `squares` | the run's network, and the making of squares, as plain TensorFlow functions |
| `litert`, `onnx_file`, `openvino_file` | one format each |
| `about` | what travels in every file |
| `samples` | photos as pixels |
| `proving`, `runtime_check` | a fresh process with nothing but the runtime |
| `versions`, `exporting` | the folder NAME/VERSION, whole or not there |
"""

__all__: list[str] = []
