from __future__ import annotations

from tlearn.inspection.looking import Looks, look
