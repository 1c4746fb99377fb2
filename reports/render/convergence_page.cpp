#include "reports/render/convergence_page.h"

#include "reports/document/output_file.h"
#include "reports/render/escaped.h"
#include "reports/render/page.h"

#include <string>
#include <string_view>

namespace halfscope::reports {

extern const std::string_view convergence_page; // reports/web/src, bundled and embedded at build time

std::string convergence_html(const Json &document) {
    const auto model = document.at("model").get<std::string>();
    std::string summary = "<main><h1>" + escaped(model) + "</h1><ul>";
    for (const Json &recipe : document.at("recipes"))
        summary += "<li>" + escaped(recipe.at("sentence").get<std::string>()) + "</li>";
    summary += "</ul><noscript><p>Curves need JavaScript.</p></noscript></main>";
    return filled_page(convergence_page, model, summary, document);
}

void write_convergence_html(const Json &document, const std::filesystem::path &file) {
    write_output_file(file, convergence_html(document));
}

} // namespace halfscope::reports
