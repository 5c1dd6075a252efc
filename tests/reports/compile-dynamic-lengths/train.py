import ontune_settings
import torch

model = ontune_settings.apply(torch.nn.Linear(16, 4))
