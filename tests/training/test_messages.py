"""Messages: tensors of any type as one row of bytes, and back."""

import torch

from pnetkit.training.messages import packed, packed_size, unpacked


def test_tensors_come_back_bit_by_bit_whatever_their_type_shape_and_layout():
    sent = [
        torch.tensor(0.1, dtype=torch.float64),
        torch.tensor([True, False, True]),
        torch.randn(2, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d),
        torch.empty(0, 3),
        torch.tensor(2**40),
        torch.tensor([float("nan"), -0.0, 1e-40]),
        torch.randn(3).bfloat16(),
    ]
    message = packed(sent)
    assert message.dtype == torch.uint8
    assert len(message) == packed_size(sent)
    found, rest = unpacked(message, sent)
    assert len(rest) == 0
    for one, other in zip(found, sent, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert torch.equal(one.nan_to_num(7), other.nan_to_num(7))


def test_what_follows_is_left_for_the_next():
    message = packed([torch.tensor([1, 2]), torch.tensor([3.5])])
    (first,), rest = unpacked(message, [torch.empty(2, dtype=torch.int64)])
    (second,), _ = unpacked(rest, [torch.empty(1)])
    assert (first.tolist(), second.tolist()) == ([1, 2], [3.5])
