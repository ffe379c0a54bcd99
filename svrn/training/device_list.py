"""Which GPUs this process may use, by physical identity: from CUDA_VISIBLE_DEVICES and the driver, without torch."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svrn.errors import UserError

_NONE = ("", "-1", "NoDevFiles", "none", "void")


@dataclass(frozen=True)
class Visible:
    """A device: `name` as CUDA_VISIBLE_DEVICES has it, `identity` the same for every name of the same hardware."""

    name: str
    identity: str


@dataclass(frozen=True)
class Physical:
    """A GPU (or a MIG slice of one) that the driver knows."""

    index: str
    uuid: str


def visible_devices(environment: Mapping[str, str]) -> tuple[Visible, ...]:
    """The devices this process may use, in order; empty on a machine without GPUs or where none is to be used.

    SVRN_FAKE_DEVICES (`0,1,2,3`) stands in for the driver in tests.

    Raises:
        UserError: CUDA_VISIBLE_DEVICES names a device that is not there, or one twice.
    """
    physical = _physical(environment)
    inherited = environment.get("CUDA_VISIBLE_DEVICES")
    if inherited is None:
        return tuple(Visible(one.index, one.uuid) for one in physical if not one.uuid.startswith("MIG-"))
    names = [name.strip() for name in inherited.split(",")]
    if not physical or names[0] in _NONE:
        return ()
    found = tuple(_resolve(name, physical) for name in names)
    if len({device.identity for device in found}) < len(found):
        raise UserError(f"it names a device twice: {inherited!r}", where="CUDA_VISIBLE_DEVICES")
    return found


def _resolve(name: str, physical: tuple[Physical, ...]) -> Visible:
    """CUDA takes an index, or the beginning of a UUID that fits one device alone."""
    if name.isdigit():
        fitting = [one for one in physical if one.index == str(int(name))]
    elif name.startswith("MIG-GPU-"):  # the older form, MIG-GPU-UUID/instance/instance: its own identity
        return Visible(name, name)
    else:
        fitting = [one for one in physical if one.uuid.lower().startswith(name.lower())]
    if len(fitting) != 1:
        there = ", ".join(f"{one.index} ({one.uuid})" if one.index else one.uuid for one in physical)
        what = "does not exist" if not fitting else "fits several devices"
        raise UserError(f"device {name!r} {what}", where="CUDA_VISIBLE_DEVICES", mend=f"there are: {there}")
    return Visible(name, fitting[0].uuid)


def _physical(environment: Mapping[str, str]) -> tuple[Physical, ...]:
    fake = environment.get("SVRN_FAKE_DEVICES")
    if fake is not None:
        return tuple(_fake(name.strip(), number) for number, name in enumerate(fake.split(",")) if name.strip())
    return _from_driver()


def _fake(name: str, number: int) -> Physical:
    if name.startswith("MIG-"):
        return Physical("", name)
    return Physical(str(number), name if name.startswith("GPU-") else f"GPU-fake-{name}")


def _from_driver() -> tuple[Physical, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
        number = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        return ()
    found = []
    for index in range(number):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        found.append(Physical(str(index), _text(pynvml.nvmlDeviceGetUUID(handle))))
        found += [Physical("", uuid) for uuid in _slices(handle)]
    return tuple(found)


def _slices(handle: object) -> list[str]:
    """UUIDs of the MIG devices on a GPU."""
    import pynvml

    uuids = []
    try:
        if pynvml.nvmlDeviceGetMigMode(handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return []
        for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                uuids.append(
                    _text(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)))
                )
            except pynvml.NVMLError_NotFound:  # an empty place
                continue
    except pynvml.NVMLError_NotSupported:  # a GPU without MIG
        return []
    return uuids


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
