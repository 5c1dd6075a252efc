"""Compare what the same job gains on several machines, and what an unknown fact would change."""

from ontune import NoFeasiblePlan, Reasoner, load_target, load_workload

reasoner = Reasoner()
job = load_workload("mnist-cnn")

for name in ("zen5-virtual", "sapphire-rapids-virtual", "t4-cloud"):
    plan = reasoner.plan(job, load_target(name), framework="pytorch")
    gain = plan.prediction["vs_default"]
    print(f"{name}: {plan.option('precision')}, {plan.option('allocator')}, x {gain['value']:.2f}")
    for doubt in plan.unknowns:
        print(f"  unknown: {doubt['fact']}")

try:
    reasoner.plan(job, load_target("zen5-virtual"), framework="tensorflow", pins={"compiler": "inductor"})
except NoFeasiblePlan as error:
    print(str(error).split(".")[0])
