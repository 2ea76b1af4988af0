"""The losses of label sets and numbers in PyTorch, with their gradients, on the inputs of tests/suite/whole_images.rs.

    python3 whole_images.py    {loss: [value, gradient…]} as JSON
"""

import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
LOGITS = [0.3, -1.5, 40.0, -60.0, 2.0, 0.0, -0.7, 100.0, 1e-3, -2.5, 5.0, 0.1]
LABELS = [[1, 0, 1], [-1, 1, 0], [0, 0, 0], [1, -1, -1]]
OUTPUTS = [0.3, -1.5, 4.0, 0.1, 2.0, 0.0, -0.7, 9.0]
NUMBERS = [[31.0, -0.25], [None, 0.5], [40.0, None], [90.0, 0.0]]


def told(loss, x):
    (gradient,) = torch.autograd.grad(loss, x)
    return [loss.item(), *gradient.ravel().tolist()]


x = torch.tensor(LOGITS).reshape(4, 3).requires_grad_()
labels = torch.tensor(LABELS).double()
known = (labels >= 0).double()
weight = torch.tensor([1.0, 2.0, 0.5]) * known
positive = torch.tensor([1.0, 0.5, 8.0])
answer = {"bce": told(F.binary_cross_entropy_with_logits(x, labels.clamp(min=0), weight, pos_weight=positive), x)}
there = torch.tensor([[0.0 if v is None else 1.0 for v in row] for row in NUMBERS])
wanted = torch.tensor([[0.0 if v is None else v / 32 for v in row] for row in NUMBERS])
for name, loss in (
    ("smooth_l1", lambda x: F.smooth_l1_loss(x, wanted, reduction="none", beta=0.3)),
    ("l2", lambda x: F.mse_loss(x, wanted, reduction="none")),
):
    x = torch.tensor(OUTPUTS).reshape(4, 2).requires_grad_()
    answer[name] = told((loss(x) * there).mean(), x)
print(json.dumps(answer))
