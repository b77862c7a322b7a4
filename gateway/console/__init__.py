"""What the page is told: views of twins, cameras and rules, and news, by revision.

`Console` implements `web.ports.Console`. It listens to the core, and reads its state without changing it.
"""

from gateway.console.console import Console
from gateway.console.news import News
from gateway.console.portraits import Portraits

__all__ = ["Console", "News", "Portraits"]
