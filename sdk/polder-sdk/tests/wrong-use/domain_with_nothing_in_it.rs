polder_sdk::domain! {
    name: "orders",
}

fn main() {}
