import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.mean, self.log = nn.Linear(64, 32), nn.Linear(32, 4), nn.Linear(32, 4)
        self.fc3, self.fc4 = nn.Linear(4, 32), nn.Linear(32, 64)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.mean(h), self.log(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mean, log = self.encode(x.view(-1, 64))
        return self.decode(mean + torch.randn_like(log) * torch.exp(0.5 * log)), mean, log


def loss_function(recon, x, mean, log):
    bce = F.binary_cross_entropy(recon, x.view(-1, 64), reduction="sum")
    return bce - 0.5 * torch.sum(1 + log - mean.pow(2) - log.exp())


torch.manual_seed(5)
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(6):
    data = torch.rand(16, 1, 8, 8)
    optimizer.zero_grad()
    recon, mean, log = model(data)
    loss = loss_function(recon, data, mean, log)
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
with torch.no_grad():
    print("sample", repr(model.decode(torch.randn(2, 4)).sum().item()))
