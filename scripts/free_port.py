"""End with one line if the port that the named variable holds is none, or taken on this machine: servers say so in
many lines, and some of them end with status 0."""

import os
import socket
import sys

name = sys.argv[1]
text = os.environ.get(name, "")
if not text.isdecimal() or not 0 < int(text) < 65536:
    sys.exit(f"{name}={text!r}: must be a port, from 1 to 65535")
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: one that has just ended takes none
    try:
        probe.bind(("127.0.0.1", int(text)))
    except OSError as error:
        sys.exit(f"port {text} cannot be used ({error.strerror}): give another one, {name}=NUMBER")
