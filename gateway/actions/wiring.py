"""Who does which task."""

from __future__ import annotations

from collections.abc import Callable

from gateway.actions.actions import Actions
from gateway.actions.inward import Calls, Clips, Looks, Sendings
from gateway.actions.messages import Messages
from gateway.actions.notices import Notices
from gateway.actions.task import Sender
from gateway.actions.web import Web
from gateway.config import Config
from gateway.kernel import Kernel
from gateway.sight import Sight
from gateway.uploading import Uploading
from rules.tasks import Call, Clip, Infer, Notify, Post, Publish, Upload
from runtime.clock import Clock


def actions(
    config: Config,
    kernel: Kernel,
    sender: Sender,
    sight: Sight,
    uploads: Uploading,
    clock: Clock,
    next_cause: Callable[[], str],
) -> Actions:
    """The part `actions`, joined to the core and to the manifests of channels."""
    core, registry, gallery, web = kernel.core, kernel.registry, sight.gallery, Web()
    notices = Notices(web)
    registry.watch("Channel", notices.apply)
    made = Actions(
        core,
        clock,
        next_cause,
        {
            Publish: Messages(sender).perform,
            Post: web.perform,
            Notify: notices.perform,
            Call: Calls(registry, core.twins, clock).perform,
            Upload: Sendings(uploads, clock).perform,
            Clip: Clips(gallery, kernel.store.blobs, clock).perform,
            Infer: Looks(gallery, sight.lookout, registry, clock).perform,
        },
        config.actions.pending_mb << 20,
        web.close,
    )
    core.keep(made)
    core.listen(made)
    return made
