# The shortest way to see mainstay at work on Windows: builds it and an example, starts both, says what to try.
#
#   powershell -ExecutionPolicy Bypass -File quickstart.ps1      until Ctrl-C
#
# Needs Rust (https://rustup.rs) and Go (https://go.dev). The Linux counterpart is ./quickstart.
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot

$HomeDir = 'examples\quickstart'
$Mainstay = 'target\release\mainstay.exe'
$env:CARGO_TARGET_DIR = Join-Path $PSScriptRoot 'target'

function Stop-WithMessage {
    param([string]$Message)
    Write-Host "quickstart: $Message" -ForegroundColor Red
    exit 1
}

function Assert-Command {
    param([string]$Name, [string]$Advice)
    if (-not (Get-Command $Name -ErrorAction SilentlyContinue)) {
        Stop-WithMessage "cannot find ${Name}: $Advice"
    }
}

# PowerShell goes on after a program that failed, so every exit code is looked at.
function Assert-Success {
    param([string]$What)
    if ($LASTEXITCODE -ne 0) {
        Stop-WithMessage "cannot ${What}: exit code $LASTEXITCODE, see above"
    }
}

# The spec is the only place that knows the port.
function Get-WebPort {
    $Line = Select-String -Path "$HomeDir\services\web.toml" -Pattern '^http *= *"http://127\.0\.0\.1:([0-9]+)/'
    if (-not $Line) {
        Stop-WithMessage "cannot find the port in $HomeDir\services\web.toml"
    }
    return [int]$Line.Matches[0].Groups[1].Value
}

function Test-PortTaken {
    param([int]$Port)
    $Client = New-Object System.Net.Sockets.TcpClient
    try {
        $Client.Connect('127.0.0.1', $Port)
        return $true
    } catch {
        return $false
    } finally {
        $Client.Close()
    }
}

function Build-All {
    Write-Host 'quickstart: building mainstay'
    cargo build --release --locked -p mainstay
    Assert-Success 'build mainstay'
    Write-Host 'quickstart: building the example service'
    New-Item -ItemType Directory -Force -Path "$HomeDir\bin" | Out-Null
    $Output = Join-Path $PSScriptRoot "$HomeDir\bin\go-server.exe"
    $env:CGO_ENABLED = '0'
    $env:GOTOOLCHAIN = 'local'
    Push-Location 'examples\go-server'
    go build -trimpath -o $Output .
    Pop-Location
    Assert-Success 'build the example service'
}

function Wait-WebUp {
    param([System.Diagnostics.Process]$Up)
    $Deadline = (Get-Date).AddSeconds(30)
    while ($true) {
        # What goes to stderr before mainstay answers would otherwise end this script.
        $ErrorActionPreference = 'Continue'
        $Status = & $Mainstay --home $HomeDir status 2>$null
        $ErrorActionPreference = 'Stop'
        if ($Status -match '^\W*web\b.*\bup\b') {
            return
        }
        if ($Up.HasExited) {
            Stop-WithMessage 'mainstay has ended before the service web came up'
        }
        if ((Get-Date) -gt $Deadline) {
            Stop-WithMessage 'it took too long: the service web comes up'
        }
        Start-Sleep -Milliseconds 100
    }
}

function Show-Help {
    param([int]$Port)
    $Url = "http://127.0.0.1:$Port"
    $Ask = "$Mainstay --home $HomeDir"
    Write-Host ''
    Write-Host "mainstay guards the services of $HomeDir\services: web (a Go server on port $Port) and ticker"
    Write-Host '(a shell loop, which stays down where there is no sh). Try this in another window, in this folder:'
    Write-Host ''
    Write-Host "  curl.exe $Url/health               is it well? shows its process id"
    Write-Host "  curl.exe $Url/crash                make it crash (curl says 'empty reply') ..."
    Write-Host "  curl.exe $Url/health               ... and see it back at once, with another process id"
    Write-Host ''
    Write-Host "  $Ask status          what runs"
    Write-Host "  $Ask logs -f web     what a service prints"
    Write-Host "  $Ask records         what happened, and why"
    Write-Host ''
    Write-Host 'Crash it four times within five minutes and it is quarantined: restarting did not help, a person should look.'
    Write-Host 'Ctrl-C here stops everything, gracefully.'
    Write-Host ''
}

Assert-Command 'cargo' 'install Rust first (https://rustup.rs)'
Assert-Command 'go' 'install Go first (https://go.dev/dl)'
$Port = Get-WebPort
if (Test-PortTaken $Port) {
    Write-Host "quickstart: cannot start: something listens on port $Port already." -ForegroundColor Red
    Write-Host "  See what it is:    netstat -ano | findstr :$Port"
    Write-Host "  Stop it, or write another port in both places of $HomeDir\services\web.toml."
    exit 1
}
Build-All

# In this console, so that Ctrl-C reaches mainstay itself.
$Up = Start-Process -FilePath $Mainstay -ArgumentList 'up', $HomeDir -NoNewWindow -PassThru
$PatienceMs = 0
try {
    Wait-WebUp $Up
    $PatienceMs = 30000
    Show-Help $Port
    Wait-Process -Id $Up.Id
} finally {
    # After Ctrl-C this script ends first: let mainstay stop its services before the prompt comes back.
    # Its services die with it, so after this nothing is left in any case.
    if (-not $Up.WaitForExit($PatienceMs)) {
        $Up.Kill()
    }
}
