#include "emulation/model/onnx/notes.h"

#include "emulation/model/onnx/names.h"

#include <algorithm>

namespace halfscope::model::importing {

void Notes::add(const std::string &sentence) {
    for (const Sentence &known : sentences_)
        if (known.start == sentence && known.items.empty()) return;
    sentences_.push_back({sentence, "", {}});
}

void Notes::about(const std::string &item, const std::string &start, const std::string &end) {
    const auto known = std::find_if(sentences_.begin(), sentences_.end(), [&](const Sentence &sentence) {
        return sentence.start == start && sentence.end == end && !sentence.items.empty();
    });
    if (known == sentences_.end()) {
        sentences_.push_back({start, end, {item}});
    } else if (std::find(known->items.begin(), known->items.end(), item) == known->items.end()) {
        known->items.push_back(item);
    }
}

std::vector<std::string> Notes::sentences() const {
    std::vector<std::string> out;
    for (const Sentence &sentence : sentences_)
        out.push_back(sentence.items.empty() ? sentence.start
                                             : sentence.start + " " + enumerate(sentence.items) + sentence.end);
    return out;
}

} // namespace halfscope::model::importing
