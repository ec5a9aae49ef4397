// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Raw slots: written, cleared, written in a loop, written and undone, written through others.
contract Shelf {
    event Put(uint256 indexed slot, uint256 value);

    receive() external payable {}

    /// Writes one value to several slots.
    function put(uint256[] calldata slots, uint256 value) external payable {
        for (uint256 i = 0; i < slots.length; i++) {
            uint256 slot = slots[i];
            assembly { sstore(slot, value) }
        }
        emit Put(slots.length, value);
    }

    /// Reads slots one after another.
    function sum(uint256[] calldata slots) external view returns (uint256 total) {
        for (uint256 i = 0; i < slots.length; i++) {
            uint256 slot = slots[i];
            assembly { total := add(total, sload(slot)) }
        }
    }

    /// Hashes `rounds` times and keeps the result.
    function spin(uint256 slot, uint256 rounds) external {
        bytes32 x = bytes32(rounds);
        for (uint256 i = 0; i < rounds; i++) {
            x = keccak256(abi.encode(x, i));
        }
        assembly { sstore(slot, x) }
    }

    /// Writes and fails, so that nothing is written.
    function fail(uint256 slot) external {
        assembly { sstore(slot, 1) }
        revert("on purpose");
    }

    /// Goes on after a call into itself that failed, and after one that ran out of gas.
    function survive(uint256 slot) external {
        (bool one,) = address(this).call(abi.encodeCall(this.fail, (slot)));
        (bool two,) = address(this).call{gas: 30000}(abi.encodeCall(this.exhaust, ()));
        require(!one && !two);
        assembly { sstore(add(slot, 1), 2) }
    }

    /// Writes until there is no gas.
    function exhaust() external {
        for (uint256 i = 0;; i++) {
            assembly { sstore(add(i, 0x1000000), 1) }
        }
    }

    /// Calls `to` and keeps the hash of what it answered: precompiles, contracts, nobody. With half of the gas, since a
    /// precompile that fails takes all that it gets.
    function ask(uint256 slot, address to, bytes calldata data) external payable {
        (bool ok, bytes memory answer) = to.call{value: msg.value, gas: gasleft() / 2}(data);
        bytes32 x = keccak256(abi.encode(ok, answer));
        assembly { sstore(slot, x) }
    }

    /// Runs the code of `to` on this contract's slots.
    function borrow(address to, bytes calldata data) external {
        (bool ok,) = to.delegatecall(data);
        require(ok);
    }

    /// What a contract can see of the block, the transaction and another account, in one hash; through transient
    /// storage.
    function look(uint256 slot, address whom) external {
        bytes memory block_ = abi.encode(
            block.number, block.timestamp, block.prevrandao, block.coinbase, block.gaslimit, block.basefee,
            block.blobbasefee, block.chainid, blockhash(block.number - 1), blockhash(block.number), blobhash(0)
        );
        bytes memory other = abi.encode(
            tx.origin, tx.gasprice, whom.balance, whom.codehash, keccak256(whom.code), gasleft() > 0
        );
        bytes32 x = keccak256(abi.encode(block_, other));
        assembly {
            tstore(0, x)
            sstore(slot, tload(0))
        }
    }
}
