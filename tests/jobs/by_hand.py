import torch

torch.manual_seed(23)
net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
for step in range(5):
    net.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(torch.randn(16, 8)), torch.randint(0, 3, (16,)))
    loss.backward()
    for parameter in net.parameters():
        parameter.data.add_(parameter.grad, alpha=-0.1)
    print(step, repr(loss.item()))
