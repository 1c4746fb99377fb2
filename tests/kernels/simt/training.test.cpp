// A profile trained on the CUDA backend, its kernels run by the host executor, in lockstep with the emulator.
#include "emulation/data/synthetic.h"
#include "emulation/model/loss_attachment.h"
#include "emulation/model/zoo/module_builder.h"
#include "emulation/model/zoo/zoo.h"
#include "emulation/train/profile/data_demand.h"
#include "emulation/train/profile/profile.h"
#include "emulation/train/profile/training_options.h"
#include "kernels/cuda_backend.h"
#include "kernels/lockstep/lockstep_backend.h"
#include "tests/kernels/simt/executor.h"
#include "trace/io/reader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <unistd.h>

using namespace halfscope;
using namespace halfscope::kernels;

namespace {

struct Folder {
    std::filesystem::path path;
    explicit Folder(const std::string &name)
        : path(std::filesystem::temp_directory_path() / ("halfscope_device_" + name + std::to_string(::getpid()))) {}
    ~Folder() { std::filesystem::remove_all(path); }
};

/// Losses of every run, in order.
std::vector<std::uint64_t> train_on(ops::Backend &backend, model::Graph graph, const char *recipe, bool reference) {
    const Folder folder(graph.name);
    model::attach_loss(graph, model::default_loss(graph).loss);
    const auto dataset = data::make_synthetic(train::demand_of(graph));
    train::TrainingOptions options;
    options.steps = 1;
    options.loss_scale = "static:256"; // no step is skipped and taken again
    std::vector<std::string> notes;
    train::ProfileSettings settings;
    settings.training = train::resolved(options, graph, notes);
    settings.recipes = {train::recipe_named(recipe)};
    settings.reference = reference;
    settings.siblings = 0;
    settings.fidelity = false;
    settings.evaluation = false;
    {
        trace::Writer writer(folder.path);
        CHECK(train::profile(graph, *dataset, settings, backend, writer));
    }
    std::vector<std::uint64_t> losses;
    for (const trace::StoredRun &run : trace::Reader(folder.path).runs())
        for (const trace::Step &step : run.steps) losses.push_back(std::bit_cast<std::uint64_t>(step.loss));
    return losses;
}

/// A network of operations that the zoo's do without: group and RMS norm, dropout, resizing, softmax over channels.
model::Graph other_network() {
    using ops::OpKind;
    model::Graph graph;
    graph.name = "other";
    model::zoo::ModuleBuilder builder(graph, 0);
    const auto ones = [&](const std::string &name, std::int64_t count, float value) {
        ops::HostTensor data(ops::DType::fp32, ops::Shape{count});
        for (float &one : data.as<float>()) one = value;
        return graph.add_weight(name, name.substr(0, name.find('.')), std::move(data));
    };
    model::ValueId x = graph.add_input("input", ops::DType::fp32, {2, 2, 5, 5});
    x = builder.conv2d(x, "conv", 6, 3, 1, true);
    x = builder.apply({OpKind::group_norm, ops::Normalization{1e-5, 0.1, -1, 3}, {}},
                      {x, ones("gn.weight", 6, 1), ones("gn.bias", 6, 0)}, "gn", "group_norm");
    x = builder.apply({OpKind::dropout, ops::Scalars{0.25, 0}, {}}, {x}, "drop", "dropout");
    x = builder.apply({OpKind::resize_nearest, {}, {}}, {x}, "up", "upsample_nearest2d", ops::Shape{2, 6, 7, 5});
    x = builder.apply({OpKind::softmax, ops::Axis{1}, {}}, {x}, "attention", "softmax");
    x = builder.linear(builder.reshape(x, "flatten", {2, 210}), "fc1", 9);
    x = builder.apply({OpKind::rms_norm, ops::Normalization{1e-5, 0.1, 1, 1}, {}}, {x, ones("norm.weight", 9, 1)},
                      "norm", "rms_norm");
    graph.outputs = {builder.linear(x, "fc2", 3)};
    return graph;
}

/// The kernels' training has every bit of the emulator's and leaves nothing to the host. Where operations ran.
PlacesOfOperations hold_training(const model::Graph &graph, const char *recipe, const char *optimizer, bool reference) {
    const auto emulator = ops::make_cpu_backend(1);
    const auto cuda = make_cuda_backend(1);
    LockstepBackend lockstep(*cuda, *emulator);
    const auto losses = train_on(lockstep, graph, recipe, reference);
    CHECK(losses == train_on(*emulator, graph, recipe, reference));
    const LockstepCount total = total_of(lockstep.counts());
    CHECK(total.elements > 500);
    CHECK(total.bit_equal == total.elements);
    CHECK(total.different_statistics == 0);
    const auto &counts = lockstep.counts();
    CHECK(std::any_of(counts.begin(), counts.end(), [](const LockstepCount &count) { return !count.layer.empty(); }));
    CHECK(cuda->places().on_device.at(optimizer) > 0);
    std::string left_to_host;
    for (const auto &[operation, times] : cuda->places().on_host) left_to_host += operation + " ";
    CHECK(left_to_host == "");
    return cuda->places();
}

} // namespace

TEST_CASE("steps of the zoo's networks run on the device's kernels alone, and every bit is the emulator's") {
    struct Training {
        const char *model;
        const char *recipe, *optimizer;
        bool reference = true; ///< trained in fp32 too
    };
    for (const Training &training : {Training{"gpt:layers=1,width=8,heads=2,seq=5,vocab=11", "fp16-amp", "adam_step"},
                                     Training{"cnn:size=8,width=4,classes=4", "bf16-pure-sr", "sgd_step"},
                                     Training{"mlp:in=6,hidden=5,depth=1,classes=3", "fp16-amp", "sgd_step"},
                                     Training{"resnet20:size=4,channels=1,classes=3", "bf16-amp", "sgd_step", false}}) {
        CAPTURE(std::string(training.model));
        hold_training(model::build_zoo_model(training.model, 2, 0), training.recipe, training.optimizer,
                      training.reference);
    }
}

TEST_CASE("steps of a network with other norms, dropout and resizing run on the device's kernels alone") {
    for (const char *recipe : {"fp16-amp", "bf16-pure-sr"}) {
        CAPTURE(std::string(recipe));
        const PlacesOfOperations places = hold_training(other_network(), recipe, "adam_step", true);
        for (const char *operation :
             {"group_norm", "group_norm_gradient", "dropout", "dropout_gradient", "rms_norm", "rms_norm_gradient",
              "resize_nearest", "resize_nearest_gradient", "softmax_gradient"}) {
            CAPTURE(std::string(operation));
            CHECK(places.on_device.contains(operation));
        }
    }
}
