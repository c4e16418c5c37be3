"""A small convolutional network, written as ONNX: a file of numbers, without code."""

import json
import sys
import warnings

import numpy as np

try:
    import onnx  # noqa: F401 - the exporter needs it
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed here: pip install 'hauberk[all,torch]'")

SIDE, EPOCHS, BATCH = 14, 8, 64
torch.manual_seed(0)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def read(path):
    rows = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    return torch.from_numpy(rows[:, :-1]), torch.from_numpy(rows[:, -1]).long()


class Scaled(nn.Module):
    def forward(self, rows):
        return rows.reshape(-1, 1, SIDE, SIDE) / 255


network = nn.Sequential(
    Scaled(),
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(32 * 9, 10),
)
pixels, garments = read("data/train.csv")
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(EPOCHS):
    for places in torch.randperm(len(pixels)).split(BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(pixels[places]), garments[places]).backward()
        optimizer.step()

network.eval()
with torch.no_grad():
    pixels, garments = read("data/validation.csv")
    accuracy = (network(pixels).argmax(1) == garments).float().mean().item()
with open("metrics.json", "w") as file:
    json.dump({"accuracy": accuracy}, file)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the newer exporter needs a package more
    torch.onnx.export(
        nn.Sequential(network, nn.Softmax(1)),
        (pixels[:1],),
        "model.onnx",
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["probabilities"],
        dynamic_axes={"input": {0: "rows"}, "probabilities": {0: "rows"}},
    )
print(f"accuracy {accuracy:.3f}")
