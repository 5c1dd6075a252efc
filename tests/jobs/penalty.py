import torch
from torch import nn

torch.manual_seed(14)
critic = nn.Sequential(nn.Linear(8, 32), nn.LeakyReLU(), nn.Linear(32, 1))
optimizer = torch.optim.RMSprop(critic.parameters(), lr=1e-3)
for step in range(5):
    real, fake = torch.randn(16, 8), torch.randn(16, 8) + 1
    mixed = (real + fake).mul(0.5).requires_grad_(True)
    [slope] = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    loss = critic(fake).mean() - critic(real).mean() + 10 * (slope.norm(dim=1) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
