import timm
import timm.optim
import torch

torch.manual_seed(19)
model = timm.create_model("resnet10t", num_classes=4)
optimizer = timm.optim.create_optimizer_v2(model, "adamw", lr=1e-3)
for step in range(4):
    loss = torch.nn.functional.cross_entropy(model(torch.randn(4, 3, 64, 64)), torch.randint(0, 4, (4,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, repr(loss.item()))
