//! Places in the kernel's code that are compared with at every cycle or jump: looked up by name once.

use std::sync::LazyLock;

use super::aggregator::KERNEL;

pub(crate) static HALT: LazyLock<usize> = LazyLock::new(|| KERNEL.global_labels["halt"]);
pub(crate) static OBSERVE_NEW_ADDRESS: LazyLock<usize> = LazyLock::new(|| KERNEL.global_labels["observe_new_address"]);
pub(crate) static OBSERVE_NEW_CONTRACT: LazyLock<usize> =
    LazyLock::new(|| KERNEL.global_labels["observe_new_contract"]);
pub(crate) static SYSCALL_JUMPTABLE: LazyLock<usize> = LazyLock::new(|| KERNEL.global_labels["syscall_jumptable"]);
pub(crate) static EXCEPTION_JUMPTABLE: LazyLock<usize> = LazyLock::new(|| KERNEL.global_labels["exception_jumptable"]);
