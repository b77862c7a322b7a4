"""A kit for KubeEdge mappers, and three made with it: `modbus`, `virtual`, `http`.

    class Meter(Driver[Settings, Visitor]):
        async def read(self, visitor: Visitor) -> Scalar: ...
        async def write(self, visitor: Visitor, value: Scalar) -> None: ...

    await Mapper(Meter, MapperConfig(name="meter", protocol="meter")).run()       # until cancelled

`driver` is what a driver's author needs; `device`, `value`, `schedule`, `reports` and `pace` are pure; `worker` is one
device, `roster` all of them; `uplink` calls the manager (EdgeCore or the gateway), `service` is called by it. A mapper
is a process of its own and imports nothing of the gateway; gRPC is loaded when it runs.
"""

from devices.mapper.config import MapperConfig
from devices.mapper.driver import Driver, Scalar
from devices.mapper.mapper import Mapper

__all__ = ["Driver", "Mapper", "MapperConfig", "Scalar"]
