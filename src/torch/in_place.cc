#include "torch/in_place.h"

#include <set>
#include <string_view>
#include <utility>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

constexpr std::string_view kUnclearView =
    "it uses a tensor that was changed in place through what reshape, flatten or contiguous made "
    "of "
    "it, which is a view or a copy depending on strides; write to a clone() instead";

}  // namespace

void InPlace::after_call(const FxNode& node, const OperatorRow& row,
                         const std::vector<std::string>& results) {
  const bool in_place = is_in_place(node.target);
  if ((!in_place && row.write_back == nullptr) || node.inputs.empty() || results.empty()) return;
  const auto* const self = std::get_if<TensorName>(&node.inputs.front().value);
  if (self == nullptr) return;
  if (in_place) {
    // What was changed is known by its old name too, and by those of its views.
    scope_.set(self->name, scope_.tensor(results.front()));
    scope_.aliases().add(results.front(), {self->name, &node, 0, true, Sharing::kShared});
    return write_through(self->name);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Sharing sharing = sharing_of(node, self->name, results[i], scope_.graph());
    if (sharing != Sharing::kCopied)
      scope_.aliases().add(results[i], {self->name, &node, i, false, sharing});
  }
}

/// `written` has a new value: so have what it is a view of, and all other views of that.
void InPlace::write_through(const std::string& written) {
  std::set<std::string> current{written};
  std::string root = written;
  while (const Aliases::Link* const link = scope_.aliases().link_of(root)) {
    if (scope_.is_spoiled(root)) {
      scope_.spoil(link->of, std::string(kUnclearView));
    } else {
      write_back(*link, root);
    }
    root = link->of;
    current.insert(root);
  }
  if (scope_.is_borrowed(root)) {
    throw Error(ErrorCode::kUnsupported,
                "it changes a tensor of the model around it in place (under no_grad or autocast)");
  }
  for (const std::string& view : scope_.aliases().views_of(root)) {
    if (!current.contains(view)) view_again(*scope_.aliases().link_of(view), view);
  }
}

/// What `view` is a view of gets the elements of `view`.
void InPlace::write_back(const Aliases::Link& link, const std::string& view) {
  if (link.sharing == Sharing::kUnknown) return scope_.spoil(link.of, std::string(kUnclearView));
  const Value written = scope_.tensor(view);
  Value base = scope_.declared(link.of);
  if (link.in_place) {
    base.name = written.name;
  } else {
    Call call(*link.node, paths_.name_of(*link.node), scope_, writer_, symbols_);
    base.name = find_operator(link.node->target)->write_back(call, written, link.result);
    call.flush();
  }
  scope_.set(link.of, std::move(base));
}

/// `view` is taken anew of what it is a view of. Nodes that nobody reads are dropped at the end.
void InPlace::view_again(const Aliases::Link& link, const std::string& view) {
  if (link.sharing == Sharing::kUnknown || scope_.is_spoiled(link.of))
    return scope_.spoil(view, std::string(kUnclearView));
  Value value = scope_.declared(view);
  if (link.in_place) {
    value.name = scope_.tensor(link.of).name;
  } else {
    Call call(*link.node, paths_.name_of(*link.node), scope_, writer_, symbols_);
    find_operator(link.node->target)->build(call);
    value.name = call.finish().at(link.result).name;
  }
  scope_.set(view, std::move(value));
}

}  // namespace planish::torch
