"""Every scene in the world of jobd: our programs by Slurm's names."""

import pytest

from conformance.harness import Scene, World, play, scenes


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: scene.name)
def test_scene(scene: Scene, jobd: World) -> None:
    play(jobd, scene)
