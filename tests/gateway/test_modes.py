from __future__ import annotations

from pathlib import Path

from tests.gateway.process import Gateway


def test_a_gateway_started_by_hand_keeps_its_data_to_its_user(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        gateway.start()
        data = tmp_path / "data"
        assert data.stat().st_mode & 0o777 == 0o700
        files = [path for path in data.rglob("*") if path.is_file()]
        assert {"state.db", "state.db-wal", "state.lock"} <= {path.name for path in files}
        assert {path.name: oct(path.stat().st_mode) for path in files if path.stat().st_mode & 0o077} == {}
        assert gateway.stop() == 0
