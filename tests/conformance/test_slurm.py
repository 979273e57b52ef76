"""Every scene in the world of a real Slurm: what the rows expect is what it says."""

import pytest

from conformance.harness import Scene, World, play, scenes


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.name)
def test_scene(scene: Scene, slurm: World) -> None:
    play(slurm, scene)
