# SPDX-License-Identifier: MIT
"""The HTTP parameter server of Elephas 7.3.0, unchanged: peer_server.py MODEL PORT, in the peer's venv.

MODEL is a .keras file or an architecture (.json). Prints the pid of the process that
serves, and ends with its standard input.
"""
import os
import signal
import sys

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", SPARK_LOCAL_IP="127.0.0.1")

import keras  # noqa: E402
from elephas.parameter import HttpServer  # noqa: E402
from elephas.utils import model_to_dict  # noqa: E402

path, port = sys.argv[1], int(sys.argv[2])
if path.endswith(".json"):
    with open(path, encoding="utf-8") as f:
        model = keras.models.model_from_json(f.read())
else:
    model = keras.saving.load_model(path)
said = os.dup(1)
os.dup2(2, 1)  # Flask has a banner
server = HttpServer(model_to_dict(model), port, "asynchronous")
server.start()
os.write(said, b"%d\n" % server.server.pid)
while os.read(0, 4096):
    pass
os.kill(server.server.pid, signal.SIGKILL)
os._exit(0)
