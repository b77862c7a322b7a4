"""KubeEdge's `Device` and `DeviceModel` (`devices.kubeedge.io/v1beta1`), field for field, and their meaning for a twin.

    model = read_model(yaml_value, "pump-model.yaml")     # raises Rejected with path, reason and nearest valid name
    device = read_device(yaml_value, "pump.yaml")
    properties = declared(device, model)

An unknown key is refused, wherever it stands; what a Kubernetes API server adds is known, and dropped by `owned`.
What the fields may say together is checked by `validation`.
"""

from twins.manifests.device import Device
from twins.manifests.meaning import declared, rhythm_of
from twins.manifests.metadata import API, OwnMetadata, owned
from twins.manifests.model import DeviceModel
from twins.manifests.reader import read_device, read_model
from twins.manifests.status import DeviceStatus

__all__ = [
    "API",
    "Device",
    "DeviceModel",
    "DeviceStatus",
    "OwnMetadata",
    "declared",
    "owned",
    "read_device",
    "read_model",
    "rhythm_of",
]
