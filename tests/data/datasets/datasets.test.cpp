#include "emulation/data/dataset.h"
#include "emulation/data/file_bytes.h"
#include "emulation/data/idx.h"
#include "emulation/data/npz.h"
#include "emulation/data/sample_order.h"
#include "emulation/data/synthetic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <unistd.h>

using namespace halfscope;
using namespace halfscope::data;
using ops::DType;

namespace {

struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("halfscope_data_" + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
};

void write(const std::filesystem::path &file, std::string_view text) {
    write_file(file, {reinterpret_cast<const std::byte *>(text.data()), text.size()});
}

std::string error_of(const std::string &spec, const Demand &demand) {
    try {
        (void)open_dataset(spec, demand);
    } catch (const std::exception &error) {
        return error.what();
    }
    return "opened";
}

std::string idx(const std::vector<int> &sizes, const std::string &data) {
    std::string text("\0\0\x08", 3);
    text += static_cast<char>(sizes.size());
    for (int size : sizes)
        text += std::string("\0\0", 2) + static_cast<char>(size >> 8) + static_cast<char>(size & 255);
    return text + data;
}

const std::vector<std::int64_t> first_two{0, 1};

} // namespace

TEST_CASE("IDX images are normalised, padded and repeated as the input asks") {
    const Folder folder;
    // Two training images of 2x2: 0 0 0 0 and 4 4 4 4: mean 2, deviation 2.
    write(folder.path / "train-images-idx3-ubyte", idx({2, 2, 2}, std::string("\0\0\0\0\4\4\4\4", 8)));
    write(folder.path / "train-labels-idx1-ubyte", idx({2}, std::string("\3\1", 2)));
    write(folder.path / "t10k-images-idx3-ubyte", idx({1, 2, 2}, std::string("\2\2\2\4", 4)));
    write(folder.path / "t10k-labels-idx1-ubyte", idx({1}, "\1"));
    Demand demand{{{"x", DType::fp32, {2, 1, 2, 2}}, {"y", DType::int64, {2}, true, 4}}, 2, Task::classification};
    const auto plain = open_dataset(folder.path.string(), demand);
    CHECK(plain->size(Split::training) == 2);
    CHECK(plain->size(Split::held_out) == 1);
    const auto batch = plain->batch(first_two, Split::training);
    for (std::size_t i = 0; i < 8; ++i) CHECK(batch[0].as<float>()[i] == (i < 4 ? -1.0f : 1.0f));
    CHECK(batch[1].as<std::int64_t>()[0] == 3);
    CHECK(plain->batch(std::vector<std::int64_t>{0, 0}, Split::held_out)[0].as<float>()[3] == 1.0f);

    demand.slots[0].shape = {2, 3, 4, 4};
    const auto padded = open_dataset(folder.path.string(), demand);
    const auto wide = padded->batch(std::vector<std::int64_t>{1, 1}, Split::training);
    for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t y = 0; y < 4; ++y)
            for (std::int64_t x = 0; x < 4; ++x) {
                const bool inside = y >= 1 && y < 3 && x >= 1 && x < 3;
                CHECK(wide[0].as<float>()[static_cast<std::size_t>((c * 4 + y) * 4 + x)] == (inside ? 1.0f : -1.0f));
            }
    CHECK(padded->notes().size() == 1);

    demand.slots[0].shape = {2, 1, 1, 1};
    CHECK(error_of(folder.path.string(), demand).find("2x2 and do not fit") != std::string::npos);
    demand.slots[0].shape = {2, 4};
    demand.slots[1].limit = 3;
    CHECK(error_of(folder.path.string(), demand).find("holds 3, but the model takes 0 to 2") != std::string::npos);
}

TEST_CASE("damaged IDX files are refused with a sentence") {
    const std::string good = idx({2, 2, 2}, "abcdefgh");
    const auto parse = [](const std::string &text) {
        return parse_idx({reinterpret_cast<const std::byte *>(text.data()), text.size()}, "f");
    };
    CHECK(parse(good).elements() == 8);
    for (std::size_t length = 0; length < good.size(); ++length)
        CHECK_THROWS_AS((void)parse(good.substr(0, length)), std::runtime_error);
    for (std::size_t at = 0; at < good.size() - 8; ++at)
        for (int bit = 0; bit < 8; ++bit) {
            auto damaged = good;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
            if (at == 2 && damaged[at] == 9) continue; // signed bytes: another valid element type of the same size
            CHECK_THROWS_AS((void)parse(damaged), std::runtime_error);
        }
}

TEST_CASE("Debian's Fashion-MNIST has its published mean and deviation") {
    const Demand demand{
        {{"x", DType::fp32, {2, 1, 28, 28}}, {"y", DType::int64, {2}, true, 10}}, 2, Task::classification};
    if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
        CHECK(error_of("fashion-mnist", demand).find("apt install dataset-fashion-mnist") != std::string::npos);
        return;
    }
    const auto data = open_dataset("fashion-mnist", demand);
    CHECK(data->size(Split::training) == 60000);
    CHECK(data->size(Split::held_out) == 10000);
    // 0.2860, 0.3530: the constants every Fashion-MNIST example normalises with.
    CHECK(data->description().find("mean 0.2860 and deviation 0.3530") != std::string::npos);
}

TEST_CASE("npz arrays go to the inputs of their names, whatever their element types") {
    const Folder folder;
    ops::HostTensor x(DType::fp64, {5, 3}), labels(DType::int64, {5}), mask(DType::boolean, {2, 3});
    for (std::size_t i = 0; i < 15; ++i) x.as<double>()[i] = static_cast<double>(i);
    for (std::size_t i = 0; i < 5; ++i) labels.as<std::int64_t>()[i] = static_cast<std::int64_t>(i % 3);
    mask.as<std::uint8_t>()[4] = 1;
    const auto file = folder.path / "d.npz";
    const std::pair<std::string, ops::TensorView> arrays[] = {
        {"features", x.view()}, {"target", labels.view()}, {"mask", mask.view()}};
    write_npz(file, arrays);
    Demand demand{
        {{"features", DType::fp32, {2, 3}}, {"mask", DType::boolean, {2, 3}}, {"labels", DType::int64, {2}, true, 3}},
        2,
        Task::classification};
    const auto data = open_dataset(file.string(), demand);
    CHECK(data->size(Split::training) == 5);
    CHECK(data->size(Split::held_out) == 0);
    const auto batch = data->batch(std::vector<std::int64_t>{4, 1}, Split::training);
    CHECK(batch[0].as<float>()[0] == 12.0f);
    CHECK(batch[0].as<float>()[5] == 5.0f);
    CHECK(batch[1].as<std::uint8_t>()[4] == 1);
    CHECK(batch[2].as<std::int64_t>()[0] == 1);

    demand.slots[0].name = "pixels"; // the only input left takes the only array left
    CHECK(open_dataset(file.string(), demand)->notes().size() == 1);
    demand.slots[2].limit = 2;
    CHECK(error_of(file.string(), demand).find("holds 2, but the model takes 0 to 1") != std::string::npos);
    demand.slots[2].limit = 0;
    demand.slots[0].shape = {2, 4};
    CHECK(error_of(file.string(), demand).find("a sample of 'pixels' has 3 values") != std::string::npos);
    demand.slots[0].name = "a", demand.slots[1].name = "b";
    CHECK(error_of(file.string(), demand).find("'features', 'mask', 'target'") != std::string::npos);
    CHECK(error_of((folder.path / "absent.npz").string(), demand).find("no such file") != std::string::npos);
    CHECK(error_of(folder.path.string(), demand).find("holds no train-images") != std::string::npos);
}

TEST_CASE("an input that is no multiple of the batch is the same every time; one graph is one batch, in its order") {
    const Folder folder;
    ops::HostTensor nodes(DType::fp32, {4, 3}), edges(DType::int64, {2, 5}), labels(DType::int64, {4});
    for (std::size_t i = 0; i < 12; ++i) nodes.as<float>()[i] = static_cast<float>(i);
    for (std::size_t i = 0; i < 10; ++i) edges.as<std::int64_t>()[i] = static_cast<std::int64_t>(i % 4);
    for (std::size_t i = 0; i < 4; ++i) labels.as<std::int64_t>()[i] = static_cast<std::int64_t>(i % 2);
    const auto file = folder.path / "graph.npz";
    const auto save = [&](ops::HostTensor &x) {
        const std::pair<std::string, ops::TensorView> arrays[] = {
            {"x", x.view()}, {"edges", edges.view()}, {"target", labels.view()}};
        write_npz(file, arrays);
    };
    save(nodes);
    Demand demand{{{"x", DType::fp32, {4, 3}},
                   {"edges", DType::int64, {2, 5}, false, 4, true},
                   {"target", DType::int64, {4}, true, 2}},
                  4,
                  Task::classification};
    const auto graph = open_dataset(file.string(), demand);
    CHECK(graph->size(Split::training) == 4);
    CHECK(graph->notes().size() == 1);
    const auto batch = graph->batch(std::vector<std::int64_t>{3, 1, 0, 2}, Split::training);
    CHECK(batch[0].bytes == nodes.bytes);
    CHECK(batch[1].bytes == edges.bytes);
    CHECK(batch[2].bytes == labels.bytes);
    demand.slots[1].limit = 3;
    CHECK(error_of(file.string(), demand).find("'edges' holds 3, but the model takes 0 to 2") != std::string::npos);
    demand.slots[1].limit = 4;
    demand.slots[1].shape = {2, 7};
    CHECK(error_of(file.string(), demand)
              .find("'edges' cannot be cut into the 4 samples of a batch, so its array must "
                    "be of the model's shape [2, 7]") != std::string::npos);

    // Two samples a batch: the edges stay, the samples are drawn.
    Demand pairs{{{"x", DType::fp32, {2, 3}},
                  {"edges", DType::int64, {2, 5}, false, 4, true},
                  {"target", DType::int64, {2}, true, 2}},
                 2,
                 Task::classification};
    const auto drawn = open_dataset(file.string(), pairs)->batch(std::vector<std::int64_t>{3, 1}, Split::training);
    CHECK(drawn[0].as<float>()[0] == 9);
    CHECK(drawn[1].bytes == edges.bytes);
    CHECK(drawn[2].as<std::int64_t>()[1] == 1);

    const auto made = make_synthetic(pairs);
    const auto first = made->batch(std::vector<std::int64_t>{0, 1}, Split::training),
               second = made->batch(std::vector<std::int64_t>{5, 9}, Split::held_out);
    CHECK(first[1].bytes == second[1].bytes);
    CHECK(first[0].bytes != second[0].bytes);
    for (const std::int64_t end : first[1].as<std::int64_t>()) CHECK((end >= 0 && end < 4));
}

TEST_CASE("text gives windows and their shift by one") {
    const Folder folder;
    const auto file = folder.path / "t.txt";
    write(file, "abcdefghi");
    Demand demand{
        {{"ids", DType::int64, {2, 4}, false, 256}, {"y", DType::int64, {8}, true, 256}}, 2, Task::language_model};
    const auto data = open_dataset(file.string(), demand);
    CHECK(data->size(Split::training) == 2);
    const auto batch = data->batch(std::vector<std::int64_t>{1, 0}, Split::training);
    for (std::size_t i = 0; i < 8; ++i) {
        CHECK(batch[0].as<std::int64_t>()[i] == "efghabcd"[i]);
        CHECK(batch[1].as<std::int64_t>()[i] == "fghibcde"[i]);
    }
    demand.slots[0].limit = demand.slots[1].limit = 9;
    CHECK(open_dataset(file.string(), demand)->batch(first_two, Split::training)[0].as<std::int64_t>()[7] == 7);
    demand.slots[0].limit = 8;
    CHECK(error_of(file.string(), demand).find("9 distinct bytes") != std::string::npos);
    demand.slots[0].limit = 256;
    demand.slots[0].shape = demand.slots[1].shape = {2, 9};
    CHECK(error_of(file.string(), demand).find("fewer than one sequence of 9") != std::string::npos);
    demand.slots[0].dtype = DType::fp32;
    CHECK(error_of(file.string(), demand).find("takes fp32") != std::string::npos);
}

TEST_CASE("a pass visits every sample once; another seed or pass gives another order") {
    SampleOrder order(Order::shuffled, 1, 100), again(Order::shuffled, 1, 100), other(Order::shuffled, 2, 100);
    const auto first = order.take(0, 100), second = order.take(100, 100);
    CHECK(std::set<std::int64_t>(first.begin(), first.end()).size() == 100);
    CHECK(std::set<std::int64_t>(second.begin(), second.end()).size() == 100);
    CHECK(first != second);
    CHECK(first != other.take(0, 100));
    for (std::int64_t at = 0; at < 100; at += 20) { // cut in another way, and out of order
        const auto part = again.take(80 - at, 20);
        CHECK(std::equal(part.begin(), part.end(), first.begin() + (80 - at)));
    }
    CHECK(SampleOrder(Order::file, 9, 3).take(2, 4) == std::vector<std::int64_t>{2, 0, 1, 2});
    // Each of the 24 orders of 4 samples comes up about equally often: chi-square with 23 degrees of freedom
    // stays below its 1 - 1e-6 quantile, 73.6.
    std::map<std::vector<std::int64_t>, int> counts;
    SampleOrder small(Order::shuffled, 3, 4);
    constexpr int draws = 4800;
    for (int pass = 0; pass < draws; ++pass) ++counts[small.take(4 * pass, 4)];
    CHECK(counts.size() == 24);
    double chi_square = 0;
    for (const auto &[permutation, count] : counts) chi_square += std::pow(count - draws / 24.0, 2) / (draws / 24.0);
    CHECK(chi_square < 73.6);
}

TEST_CASE("synthetic samples are reproducible, in range, and carry their labels") {
    const Demand images{{{"x", DType::fp32, {4, 1, 8, 8}}, {"y", DType::int64, {4}, true, 3}}, 4, Task::classification};
    const auto data = make_synthetic(images), again = make_synthetic(images);
    const std::vector<std::int64_t> some{7, 1000, 4095, 0};
    CHECK(data->batch(some, Split::training)[0].bytes == again->batch(some, Split::training)[0].bytes);
    CHECK(data->batch(std::vector<std::int64_t>(4, 7), Split::training)[0].bytes !=
          data->batch(std::vector<std::int64_t>(4, 7), Split::held_out)[0].bytes);
    // Means of each class over many samples differ by the pattern: classify held-out samples by the nearest mean.
    std::vector<std::vector<double>> mean(3, std::vector<double>(64));
    std::vector<int> count(3);
    for (std::int64_t i = 0; i < 400; i += 4) {
        const auto batch = data->batch(std::vector<std::int64_t>{i, i + 1, i + 2, i + 3}, Split::training);
        for (std::size_t s = 0; s < 4; ++s) {
            const auto label = static_cast<std::size_t>(batch[1].as<std::int64_t>()[s]);
            REQUIRE(label < 3);
            ++count[label];
            for (std::size_t k = 0; k < 64; ++k)
                mean[label][k] += static_cast<double>(batch[0].as<float>()[s * 64 + k]);
        }
    }
    int right = 0;
    for (std::int64_t i = 0; i < 200; i += 4) {
        const auto batch = data->batch(std::vector<std::int64_t>{i, i + 1, i + 2, i + 3}, Split::held_out);
        for (std::size_t s = 0; s < 4; ++s) {
            double best = INFINITY;
            std::size_t nearest = 0;
            for (std::size_t c = 0; c < 3; ++c) {
                double distance = 0;
                for (std::size_t k = 0; k < 64; ++k)
                    distance +=
                        std::pow(static_cast<double>(batch[0].as<float>()[s * 64 + k]) - mean[c][k] / count[c], 2);
                if (distance < best) best = distance, nearest = c;
            }
            right += static_cast<std::int64_t>(nearest) == batch[1].as<std::int64_t>()[s];
        }
    }
    CHECK(right > 150); // chance is 67 of 200

    const Demand language{
        {{"ids", DType::int64, {2, 16}, false, 11}, {"y", DType::int64, {2, 16}, true, 11}}, 2, Task::language_model};
    const auto text = make_synthetic(language)->batch(first_two, Split::training);
    for (std::size_t i = 0; i < 32; ++i) {
        CHECK(text[0].as<std::int64_t>()[i] < 11);
        if (i % 16 != 15) CHECK(text[1].as<std::int64_t>()[i] == text[0].as<std::int64_t>()[i + 1]);
    }
}
