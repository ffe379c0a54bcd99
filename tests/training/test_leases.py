"""Device leases: distinct devices, order of arrival, nothing left by the dead."""

import os
import random
import time
from pathlib import Path

import pytest
from worlds import processes, start

from svrn.errors import UserError
from svrn.training.device_list import Visible, visible_devices
from svrn.training.leases import holders, lease, lease_folder

UUIDS = "GPU-aaaa1111,GPU-bbbb2222,MIG-cccc3333,MIG-cccc4444"


@pytest.fixture(autouse=True)
def four_devices(monkeypatch, tmp_path):
    monkeypatch.setenv("SVRN_FAKE_DEVICES", "a,b,c,d")
    monkeypatch.setenv("SVRN_LEASES", str(tmp_path / "leases"))
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_STEP_ID", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def names(environment: dict[str, str]) -> list[str]:
    return [device.name for device in visible_devices(environment)]


def test_what_is_visible():
    fake = {"SVRN_FAKE_DEVICES": UUIDS}
    assert names(fake) == ["0", "1"]  # a slice is used only where it is named
    assert names({**fake, "CUDA_VISIBLE_DEVICES": "1"}) == ["1"]
    assert names({**fake, "CUDA_VISIBLE_DEVICES": "GPU-bbbb,0"}) == ["GPU-bbbb", "0"]
    assert names({**fake, "CUDA_VISIBLE_DEVICES": "MIG-cccc3333, MIG-cccc4444"}) == ["MIG-cccc3333", "MIG-cccc4444"]
    assert names({**fake, "CUDA_VISIBLE_DEVICES": "MIG-GPU-aaaa1111/1/0"}) == ["MIG-GPU-aaaa1111/1/0"]
    for nothing in ("", "-1", "NoDevFiles"):
        assert names({**fake, "CUDA_VISIBLE_DEVICES": nothing}) == []
    assert names({"SVRN_FAKE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "0"}) == []


def test_index_and_uuid_are_the_same_hardware():
    by_index = visible_devices({"SVRN_FAKE_DEVICES": UUIDS, "CUDA_VISIBLE_DEVICES": "1"})[0]
    by_uuid = visible_devices({"SVRN_FAKE_DEVICES": UUIDS, "CUDA_VISIBLE_DEVICES": "GPU-bbbb"})[0]
    assert by_index.identity == by_uuid.identity == "GPU-bbbb2222"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("7", "device '7' does not exist"),
        ("GPU-x", "device 'GPU-x' does not exist"),
        ("MIG-cccc", "fits several devices"),
        ("0,GPU-aaaa", "names a device twice"),
    ],
)
def test_devices_that_are_not_there(value, message):
    with pytest.raises(UserError, match=message) as error:
        visible_devices({"SVRN_FAKE_DEVICES": UUIDS, "CUDA_VISIBLE_DEVICES": value})
    assert error.value.where == "CUDA_VISIBLE_DEVICES"


def test_a_lease_names_its_devices_and_puts_the_environment_back(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with lease(2) as granted:
        assert granted.devices == ("2", "3")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
        assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
    with lease(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert "CUDA_DEVICE_ORDER" not in os.environ


def test_more_than_there_are_is_an_error():
    with pytest.raises(UserError, match="5 devices were asked for, 4 are there: 0, 1, 2, 3"), lease(5):
        pytest.fail("granted")


def test_without_gpus_there_is_nothing_to_lease(monkeypatch):
    monkeypatch.setenv("SVRN_FAKE_DEVICES", "")
    with lease(8) as granted:
        assert granted.devices == ()


def test_waiting_ends_with_the_names_of_the_holders():
    with lease(4, holder="run abc"), pytest.raises(UserError, match="run abc") as error, lease(1, timeout=0.3):
        pytest.fail("granted")
    assert "did not come free" in error.value.what
    with lease(4):
        pass


def test_inside_an_allocation_the_locks_are_its_own(tmp_path):
    base = {"SVRN_LEASES": str(tmp_path)}
    plain = lease_folder(base)
    slurm = lease_folder({**base, "SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0"})
    other = lease_folder({**base, "SLURM_JOB_ID": "18"})
    pod = lease_folder({**base, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "pod-1"})
    assert len({plain, slurm, other, pod}) == 4


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UserError, match="not ours alone"):
        lease_folder({"SVRN_LEASES": str(tmp_path / "open")})


def use_devices(count: int, diary: Path, seconds: float) -> None:
    """Hold devices for a while and write down when each was taken and let go."""
    with lease(count) as granted:
        taken = time.monotonic()
        with diary.open("a") as stream:
            stream.write("".join(f"{name} + {taken} {os.getpid()}\n" for name in granted.devices))
        time.sleep(seconds)
        with diary.open("a") as stream:
            stream.write("".join(f"{name} - {time.monotonic()} {os.getpid()}\n" for name in granted.devices))


def test_many_processes_and_kills_never_share_a_device(tmp_path):
    chance = random.Random(0)
    diary = tmp_path / "diary"
    context = processes()
    children = []
    killed = set()
    for number in range(24):
        children.append(start(use_devices, chance.choice([1, 1, 2, 4]), diary, 0.05, context=context))
        if number % 4 == 3:
            time.sleep(0.1)
            victim = chance.choice(children)
            victim.kill()
            killed.add(victim.pid)
    for child in children:
        child.join(timeout=60)
        assert child.exitcode in (0, -9)
    holder: dict[str, int] = {}
    lines = [line.split() for line in diary.read_text().splitlines()]
    for name, sign, _, process in sorted(lines, key=lambda line: float(line[2])):
        if sign == "+":
            assert name not in holder or holder[name] in killed, f"device {name} was granted twice"
            holder[name] = int(process)
        elif holder.get(name) == int(process):
            del holder[name]
    finished = {int(line[3]) for line in lines if line[1] == "-"}
    assert {child.pid for child in children if child.exitcode == 0} == finished
    with lease(4, timeout=5) as granted:  # nothing is left behind
        assert len(granted.devices) == 4
    assert holders(lease_folder()) == "all are free now"


def test_first_come_first_served(tmp_path):
    """A job that wants all devices is not passed by later ones that want one."""
    diary = tmp_path / "diary"
    context = processes()
    holder = start(use_devices, 3, diary, 600.0, context=context)
    wait_until(diary.exists)
    big = start(use_devices, 4, diary, 0.0, context=context)
    wait_until(lambda: any((lease_folder() / "queue").iterdir()))
    small = start(use_devices, 1, diary, 0.0, context=context)
    wait_until(lambda: len(list((lease_folder() / "queue").iterdir())) == 2)
    time.sleep(0.3)
    assert len(diary.read_text().splitlines()) == 3  # the small one waits, though a device is free
    holder.kill()
    big.join()
    small.join()
    order = [int(line.split()[3]) for line in diary.read_text().splitlines() if " + " in line]
    assert order == [holder.pid] * 3 + [big.pid] * 4 + [small.pid]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_identities_make_safe_file_names():
    assert "/" in Visible("x", "MIG-GPU-a/1/0").identity
    from svrn.training.leases import _lock_file

    assert _lock_file(Path("/l"), Visible("x", "MIG-GPU-a/1/0")).parent == Path("/l")
