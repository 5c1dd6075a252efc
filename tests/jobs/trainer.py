"""transformers' Trainer, with its checkpoints."""

import sys

import torch
from transformers import BertConfig, BertForSequenceClassification, PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

set_seed(16)
config = BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, num_labels=3)
model = BertForSequenceClassification(config)
data = [{"input_ids": torch.randint(0, 64, (12,)), "labels": torch.randint(0, 3, ())} for _ in range(48)]


class Losses(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            print(state.global_step, repr(logs["loss"]), repr(float(logs["grad_norm"])))


arguments = TrainingArguments(
    output_dir=sys.argv[1], per_device_train_batch_size=8, max_steps=6, logging_steps=1, report_to=[], use_cpu=True, disable_tqdm=True, save_steps=6
)
trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Losses()])
trainer.remove_callback(PrinterCallback)
trainer.train()
print(sorted(trainer.model.state_dict())[:3], type(trainer.model).__name__)
