import jax
import jax.numpy as jnp
import optax
from flax import linen


class Net(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(4)(linen.relu(linen.Dense(32)(x)))


net = Net()
key = jax.random.key(20)
parameters = net.init(key, jnp.ones((1, 8)))
optimizer = optax.adam(1e-2)
state = optimizer.init(parameters)


@jax.jit
def step(parameters, state, x, y):
    def loss(parameters):
        return optax.softmax_cross_entropy_with_integer_labels(net.apply(parameters, x), y).mean()

    value, gradients = jax.value_and_grad(loss)(parameters)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(parameters, updates), state, value


for number in range(5):
    key, one, two = jax.random.split(key, 3)
    parameters, state, value = step(parameters, state, jax.random.normal(one, (16, 8)), jax.random.randint(two, (16,), 0, 4))
    print(number, repr(float(value)))
