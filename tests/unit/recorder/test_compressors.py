"""The compressors that traces share."""

from recorder.capture.compressors import Compressors


def test_who_compresses_one_after_the_other_shares_and_who_does_at_once_does_not() -> None:
    """There are as many compressors as were ever in use together, whoever took them."""
    compressors = Compressors()
    with compressors.one() as first:
        pass
    with compressors.one() as second, compressors.one() as beside:
        assert second is first
        assert beside is not first
    with compressors.one() as third, compressors.one() as fourth:
        assert {id(third), id(fourth)} == {id(first), id(beside)}
    assert third.compress(b"x" * 1000)


def test_a_compressor_whose_user_failed_serves_again() -> None:
    """An error within gives it back."""
    compressors = Compressors()
    try:
        with compressors.one() as first:
            raise OSError("the disk is full")
    except OSError:
        pass
    with compressors.one() as second:
        assert second is first
