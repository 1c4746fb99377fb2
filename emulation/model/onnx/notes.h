// Sentences for the user about what the import decided for them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace halfscope::model::importing {

class Notes {
  public:
    /// A sentence of its own; said once however often it is added.
    void add(const std::string &sentence);

    /// A sentence about several things: "<start> a, b and c<end>".
    void about(const std::string &item, const std::string &start, const std::string &end = ".");

    [[nodiscard]] std::vector<std::string> sentences() const;

  private:
    struct Sentence {
        std::string start, end;
        std::vector<std::string> items;
    };
    std::vector<Sentence> sentences_;
};

} // namespace halfscope::model::importing
