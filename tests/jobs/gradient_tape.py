import tensorflow as tf

tf.keras.utils.set_random_seed(22)
model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu"), tf.keras.layers.Dense(3)])
optimizer = tf.keras.optimizers.SGD(0.1)
loss_function = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x, training=True))
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    return loss


for number in range(5):
    x, y = tf.random.normal((16, 8), seed=number), tf.random.uniform((16,), 0, 3, tf.int32, seed=number)
    print(number, repr(float(step(x, y))))
