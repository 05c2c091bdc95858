polder_sdk::domain! {
    name: "orders",
    agregates: [],
}

fn main() {}
