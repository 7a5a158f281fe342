"""Normal distributions between bounds of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.distributions import normal, uniform
from servable.ops.limits import check_size
from servable.ops.philox import WIDTH, Philox
from servable.ops.random_support import Moving, from_seed
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array
